"""Pages for people, REST for programs, and what every request passes through."""
