"""The record of what agents did: durable before anything leaves or is answered, and verifiable afterwards."""
