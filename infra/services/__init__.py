"""Code that runs in Lambda, one package a service: handler, then logic (pure), then stores."""
