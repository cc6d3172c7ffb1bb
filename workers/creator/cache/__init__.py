"""What builds have fetched before: kept by a policy, verified, shared by all builds of a host."""
