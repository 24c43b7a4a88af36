"""Request and response models: those of the contracts, with examples and descriptions for API clients."""
