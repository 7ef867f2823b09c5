"""The one door by HTTP: what is accepted, who reported it, and what may be read of it."""
