"""The route class, and what routes declare and read of their requests before they are called."""
