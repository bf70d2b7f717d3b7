"""A real model on this machine, without a key.

model_file.py says where the model's file lives, install.py fetches it,
server_main.py is the child process that runs llama.cpp's server on it,
settings.py says how, and process.py starts, watches and ends that child.
errors.py has what they raise.
"""
