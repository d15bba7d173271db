"""What people wrote: settings, agent cards and API catalogues, frozen. Imports nothing of ours."""
