"""`make check-deploy`: everything an operator deploys, read and tried as far as that goes without a container engine or a cluster."""
