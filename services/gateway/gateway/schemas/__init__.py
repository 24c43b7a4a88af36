"""The shapes of the API: those of the contracts, with an API's numbers and examples."""
