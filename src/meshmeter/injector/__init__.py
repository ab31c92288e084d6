"""What Kubernetes objects ask for, as resources: computed from the objects alone.

Belongs here: what annotations, labels and Services of a Pod come to. Never here: the API server, watches, webhooks.
"""
