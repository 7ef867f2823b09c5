"""What Jalur is built from: its list, what is known against it, and that no secret lies in the tree. No part of the image."""
