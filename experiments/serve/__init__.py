"""The service: trained policies and encoders over HTTP. `flashsale serve`."""
