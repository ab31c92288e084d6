"""What becomes of a document before it is stored: who may write it, and what is made of it."""
