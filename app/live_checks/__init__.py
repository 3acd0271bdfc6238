"""`python -m app.live_checks`: looks at a real cloud for what no stand-in can show. See docs/live-checks.md."""
