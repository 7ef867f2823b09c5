"""How the model is made and measured, from reports written for it. Nothing here runs inside the service."""
