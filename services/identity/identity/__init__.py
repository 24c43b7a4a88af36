"""The identity service: accounts, roles, and the tokens that authenticate them."""
