"""What Breakwater is measured against and shown with: sandbox upstreams, the demo, and later the load."""
