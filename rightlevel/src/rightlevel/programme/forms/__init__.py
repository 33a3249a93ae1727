"""Forms as data: what they ask, what answers to them mean, their versions, and how people change them."""
