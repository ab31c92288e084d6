"""meshmeter: traffic metrics for every proxy of a service mesh, and for the applications beside them."""

__version__ = "0.1.0"
