"""The requests that are sent to Graph, made by the SDK's own builders, and a light view of what comes back.

The SDK's model of an application imports a thousand modules, which would stop everything else for a second.
Import this on use only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_abstractions.request_information import RequestInformation
from kiota_abstractions.serialization import Parsable, ParseNode, SerializationWriter
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.applications.item.application_item_request_builder import ApplicationItemRequestBuilder
from msgraph.generated.applications.item.owners.owners_request_builder import OwnersRequestBuilder
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.applications_with_app_id.applications_with_app_id_request_builder import (
    ApplicationsWithAppIdRequestBuilder,
)
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.service_principals_with_app_id.service_principals_with_app_id_request_builder import (
    ServicePrincipalsWithAppIdRequestBuilder,
)
from msgraph.graph_service_client import GraphServiceClient

_FIELDS = ["id", "appId", "displayName", "passwordCredentials"]
_NAMES = ["id", "appId", "displayName"]


class _View(Parsable):
    def serialize(self, writer: SerializationWriter) -> None:
        raise NotImplementedError("views are read only")

    def _text(self, name: str) -> Callable[[ParseNode], None]:
        return lambda node: setattr(self, name, node.get_str_value() or "")


class ApplicationView(_View):
    """An application, or anything else that has an id."""

    def __init__(self) -> None:
        self.id = self.app_id = self.display_name = ""
        self.secrets: list[PasswordCredential] = []

    @staticmethod
    def create_from_discriminator_value(parse_node: ParseNode) -> ApplicationView:
        return ApplicationView()

    def get_field_deserializers(self) -> dict[str, Callable[[ParseNode], None]]:
        def secrets(node: ParseNode) -> None:
            self.secrets = node.get_collection_of_object_values(PasswordCredential) or []

        return {
            "id": self._text("id"),
            "appId": self._text("app_id"),
            "displayName": self._text("display_name"),
            "passwordCredentials": secrets,
        }


class Page(_View):
    """Several of them."""

    def __init__(self) -> None:
        self.value: list[ApplicationView] = []

    @staticmethod
    def create_from_discriminator_value(parse_node: ParseNode) -> Page:
        return Page()

    def get_field_deserializers(self) -> dict[str, Callable[[ParseNode], None]]:
        def value(node: ParseNode) -> None:
            self.value = node.get_collection_of_object_values(ApplicationView) or []

        return {"value": value}


def by_object_id(graph: GraphServiceClient, object_id: str) -> RequestInformation:
    query = ApplicationItemRequestBuilder.ApplicationItemRequestBuilderGetQueryParameters(select=_FIELDS)
    builder = graph.applications.by_application_id(object_id)
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def by_client_id(graph: GraphServiceClient, client_id: str) -> RequestInformation:
    query = ApplicationsWithAppIdRequestBuilder.ApplicationsWithAppIdRequestBuilderGetQueryParameters(select=_FIELDS)
    builder = graph.applications_with_app_id(client_id)
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def service_principal(graph: GraphServiceClient, client_id: str) -> RequestInformation:
    builder_of = ServicePrincipalsWithAppIdRequestBuilder
    query = builder_of.ServicePrincipalsWithAppIdRequestBuilderGetQueryParameters(select=["id"])
    builder = graph.service_principals_with_app_id(client_id)
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def owners(graph: GraphServiceClient, object_id: str) -> RequestInformation:
    query = OwnersRequestBuilder.OwnersRequestBuilderGetQueryParameters(select=["id"], top=999)
    builder = graph.applications.by_application_id(object_id).owners
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def search(graph: GraphServiceClient, text: str, limit: int) -> RequestInformation:
    """Applications by a part of their name, or by one of their ids; any when the text is empty."""
    query = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters(select=_NAMES, top=limit)
    configuration = RequestConfiguration(query_parameters=query)
    if _is_uuid(text):
        query.filter = f"appId eq '{text}' or id eq '{text}'"
    elif words := re.sub(r'["\\]', " ", text).strip():
        query.search = json.dumps(f"displayName:{words}", ensure_ascii=False)
        configuration.headers = HeadersCollection()
        configuration.headers.add("ConsistencyLevel", "eventual")
    return graph.applications.to_get_request_information(configuration)


def add_password(graph: GraphServiceClient, object_id: str, name: str, end: datetime) -> RequestInformation:
    body = AddPasswordPostRequestBody(
        password_credential=PasswordCredential(display_name=name, end_date_time=end.astimezone(UTC))
    )
    return graph.applications.by_application_id(object_id).add_password.to_post_request_information(body)


def remove_password(graph: GraphServiceClient, object_id: str, key_id: str) -> RequestInformation:
    body = RemovePasswordPostRequestBody(key_id=UUID(key_id))
    return graph.applications.by_application_id(object_id).remove_password.to_post_request_information(body)


def warm_up(graph: GraphServiceClient) -> None:
    """Have the SDK import whatever these requests and their answers need."""
    nobody = str(UUID(int=0))
    makers: list[Any] = [by_object_id, by_client_id, service_principal, owners]
    for maker in makers:
        maker(graph, nobody)
    search(graph, "x", 1)
    add_password(graph, nobody, "x", datetime.now(UTC))
    remove_password(graph, nobody, nobody)
    from msgraph.generated.models.o_data_errors.inner_error import InnerError
    from msgraph.generated.models.o_data_errors.main_error import MainError
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError

    for model in (ODataError, MainError, InnerError, PasswordCredential):
        model().get_field_deserializers()


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
