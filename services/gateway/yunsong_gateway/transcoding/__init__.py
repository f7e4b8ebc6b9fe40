"""REST to gRPC: learns services by reflection and serves them as JSON over HTTP."""
