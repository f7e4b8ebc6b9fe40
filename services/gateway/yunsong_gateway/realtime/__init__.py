"""The WebSocket at /api/v1/ws: live frames for staff and contacts, resumable by revision."""
