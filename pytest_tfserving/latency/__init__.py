"""How long answers take: requests sent under a load, and what their times say. What is sent is the caller's matter."""
