"""What is seen of the program from outside: metrics for Prometheus, spans for OpenTelemetry.

Read observer.py first: requests tell all that they do to one observer, and
metrics.py and spans.py are two of those. What is a state and no event (how many
actors, how full a limiter) is read when somebody scrapes: collector.py.
"""
