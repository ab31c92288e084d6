"""What Kubernetes objects ask for, as resources and as containers: computed from the objects alone.

Belongs here: what annotations, labels and Services of a Pod come to, and what its containers become. Never here: the
API server, watches, webhooks.
"""
