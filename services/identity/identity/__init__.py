"""The identity service: accounts, roles, and the tokens that speak for them."""
