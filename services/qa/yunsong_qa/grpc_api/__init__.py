"""The service's RPCs: from the contract to the domain and back."""

from yunsong_qa.grpc_api.inspections import InspectionServicer
from yunsong_qa.grpc_api.reports import ReportServicer
from yunsong_qa.grpc_api.scorecards import ScorecardServicer

__all__ = ["InspectionServicer", "ReportServicer", "ScorecardServicer"]
