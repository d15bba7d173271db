"""The fields that our manifests use, by what they are fields of: one that is misspelt is found without a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_META = "apiVersion kind metadata"
_PROBE = "httpGet tcpSocket exec periodSeconds timeoutSeconds failureThreshold"

# A name of an object's field, and what is allowed in there; what is not named is free (labels, data).
FIELDS: Mapping[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "StatefulSet": f"{_META} spec",
        "Deployment": f"{_META} spec",
        "Service": f"{_META} spec",
        "NetworkPolicy": f"{_META} spec",
        "PodDisruptionBudget": f"{_META} spec",
        "ServiceAccount": f"{_META} automountServiceAccountToken",
        "Namespace": _META,
        "ConfigMap": f"{_META} data",
        "metadata": "name namespace labels",
        "StatefulSet.spec": "serviceName replicas selector minReadySeconds template volumeClaimTemplates",
        "Deployment.spec": "replicas selector template",
        "Service.spec": "selector ports clusterIP publishNotReadyAddresses",
        "Service.spec.ports": "name port targetPort",
        "PodDisruptionBudget.spec": "maxUnavailable selector",
        "NetworkPolicy.spec": "podSelector policyTypes ingress egress",
        "NetworkPolicy.spec.ingress": "from ports",
        "NetworkPolicy.spec.egress": "to ports",
        "template": "metadata spec",
        "template.spec": "serviceAccountName automountServiceAccountToken enableServiceLinks hostNetwork"
        " shareProcessNamespace terminationGracePeriodSeconds securityContext topologySpreadConstraints initContainers"
        " containers volumes",
        "template.spec.securityContext": "runAsNonRoot runAsUser runAsGroup fsGroup fsGroupChangePolicy seccompProfile",
        "initContainers": "name image command args env ports restartPolicy startupProbe readinessProbe livenessProbe"
        " securityContext resources volumeMounts",
        "containers": "name image command args env ports workingDir startupProbe readinessProbe livenessProbe"
        " securityContext resources volumeMounts",
        "containers.securityContext": "runAsNonRoot runAsUser runAsGroup allowPrivilegeEscalation"
        " readOnlyRootFilesystem capabilities",
        "capabilities": "drop add",
        "containers.ports": "name containerPort",
        "startupProbe": _PROBE,
        "readinessProbe": _PROBE,
        "livenessProbe": _PROBE,
        "volumeMounts": "name mountPath readOnly",
        "resources": "requests limits",
        "volumes": "name emptyDir configMap secret",
        "emptyDir": "medium sizeLimit",
        "secret": "secretName defaultMode optional",
        "configMap": "name",
        "volumeClaimTemplates": "metadata spec",
        "volumeClaimTemplates.spec": "accessModes resources",
    }.items()
}


def misspelt(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """
    Yield every field below a value that is none of its object's; init containers are containers.
    """
    if isinstance(value, list):
        for each in value:
            yield from misspelt(each, path)
    elif isinstance(value, dict):
        known = _known(path)
        for name, below in value.items():
            if known is not None and name not in known:
                yield ".".join((*path, name))
            yield from misspelt(below, (*path, name))


def _known(path: tuple[str, ...]) -> frozenset[str] | None:
    """
    Return the fields of what stands at a path: by as much of its end as is named.
    """
    if path[-1] in {"securityContext", "ports"} and "initContainers" in path:
        path = tuple("containers" if name == "initContainers" else name for name in path)
    for start in range(len(path)):
        if (fields := FIELDS.get(".".join(path[start:]))) is not None:
            return fields
    return None
