"""The router: where a report goes, and why. It decides once per report; it must not know who reported."""
