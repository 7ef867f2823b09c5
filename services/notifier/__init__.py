"""Keeps the case and the law's clocks of every complaint, and says when one falls due."""
