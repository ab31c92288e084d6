"""Clusters, as Envoy's schema knows them."""

from __future__ import annotations

from meshmeter.envoy import clusters
from meshmeter.envoy.protocols import Protocol
from support.snapshots import normal


def test_the_application() -> None:
    assert normal(clusters.local_cluster("localhost:8080", "127.0.0.1", 8080, Protocol.HTTP)) == {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "localhost:8080",
        "altStatName": "localhost_8080",
        "type": "STATIC",
        "connectTimeout": "5s",
        "loadAssignment": {
            "clusterName": "localhost:8080",
            "endpoints": [
                {
                    "lbEndpoints": [
                        {
                            "endpoint": {
                                "address": {"socketAddress": {"address": "127.0.0.1", "portValue": 8080}}
                            }
                        }
                    ]
                }
            ],
        },
    }


def test_a_service_gets_its_endpoints_by_ads() -> None:
    made = normal(clusters.service_cluster("backend", Protocol.TCP))
    assert made["type"] == "EDS"
    assert made["edsClusterConfig"] == {"edsConfig": {"ads": {}, "resourceApiVersion": "V3"}}
    assert "altStatName" not in made
    assert "typedExtensionProtocolOptions" not in made


def test_http2_is_spoken_to_who_speaks_it() -> None:
    for protocol in (Protocol.HTTP2, Protocol.GRPC):
        made = normal(clusters.service_cluster("backend", protocol))
        (options,) = made["typedExtensionProtocolOptions"].values()
        assert options["explicitHttpConfig"] == {"http2ProtocolOptions": {}}


def test_connections_to_the_agent_end_before_the_agent_ends_them() -> None:
    made = normal(clusters.metrics_cluster("/run/agent.sock"))
    (options,) = made["typedExtensionProtocolOptions"].values()
    assert options["commonHttpProtocolOptions"] == {"idleTimeout": "30s"}
    (locality,) = made["loadAssignment"]["endpoints"]
    assert locality["lbEndpoints"] == [{"endpoint": {"address": {"pipe": {"path": "/run/agent.sock"}}}}]
