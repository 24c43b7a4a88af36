"""The shapes of the API, as documented and as written: the views of the contracts with an API's numbers and examples."""
