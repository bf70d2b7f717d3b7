"""`trouper top`: what a program does, on a screen that stays."""
