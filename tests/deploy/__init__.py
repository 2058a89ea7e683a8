"""What is written for those who run the service: dashboards, alerts, manifests."""
