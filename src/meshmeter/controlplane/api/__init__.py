"""The resource API: what operators read and write."""
