"""Tables, figures and documents made from scores."""
