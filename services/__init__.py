"""The three services and the command line. They never import each other; what they share lies in `shared`."""
