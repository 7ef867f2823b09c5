"""Contracts and plumbing that the services share; never imports a service."""
