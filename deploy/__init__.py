"""How Jalur is run: the embedded stack for one machine. Nothing in here knows what a complaint is."""
