"""The pages: HTML that works without JavaScript, one module a feature, each with a `routes` registry."""
