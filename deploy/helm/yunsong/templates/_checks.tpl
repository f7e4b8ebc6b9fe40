{{/* Rules across fields; each says what to do. */}}
{{- define "yunsong.check" -}}
{{- $door := include "yunsong.door" . -}}
{{- if not (regexMatch "^https?://[^/]+/?$" .Values.publicUrl) -}}
{{- fail "publicUrl must be the address that people use, a scheme and a host, such as https://support.example" -}}
{{- end -}}
{{- if and .Values.postgresql.enabled (or .Values.database.existingSecret .Values.database.host) -}}
{{- fail "database names a PostgreSQL of yours, and postgresql.enabled makes one: set postgresql.enabled to false, or leave database empty" -}}
{{- end -}}
{{- if not (or .Values.postgresql.enabled .Values.database.existingSecret) -}}
{{- fail "there is no PostgreSQL: set database.existingSecret to a secret with the key url, or postgresql.enabled to true" -}}
{{- end -}}
{{- if and .Values.nats.enabled (or .Values.messaging.existingSecret .Values.messaging.host) -}}
{{- fail "messaging names a NATS of yours, and nats.enabled makes one: set nats.enabled to false, or leave messaging empty" -}}
{{- end -}}
{{- if not (or .Values.nats.enabled .Values.messaging.existingSecret) -}}
{{- fail "there is no NATS: set messaging.existingSecret to a secret with the key url, or nats.enabled to true" -}}
{{- end -}}
{{- $components := fromYaml (include "yunsong.components" .) -}}
{{- $pods := int (include "yunsong.maxPods" (get $components $door)) -}}
{{- if and (not .Values.files.url) (gt $pods 1) (not (eq .Values.files.persistence.accessMode "ReadWriteMany")) -}}
{{- fail (printf "%d pods of the %s share uploaded files: set files.url to an object store (s3://bucket/prefix), or files.persistence.accessMode to ReadWriteMany, or components.%s.replicas to 1" $pods $door $door) -}}
{{- end -}}
{{- if and .Values.files.existingSecret (not .Values.files.url) -}}
{{- fail "files.existingSecret is for an object store: set files.url to s3://bucket/prefix, or leave the secret empty" -}}
{{- end -}}
{{- if and .Values.gatewayApi.enabled (not .Values.gatewayApi.parentRefs) (not .Values.gatewayApi.gateway.className) -}}
{{- fail "gatewayApi needs a gateway: name one in gatewayApi.parentRefs, or set gatewayApi.gateway.className to make one" -}}
{{- end -}}
{{- if and .Values.gatewayApi.gateway.className (hasPrefix "https:" .Values.publicUrl) (not .Values.gatewayApi.gateway.tlsSecret) -}}
{{- fail "publicUrl is https, so the gateway needs a certificate: set gatewayApi.gateway.tlsSecret" -}}
{{- end -}}
{{- if and .Values.ingress.tlsSecret (hasPrefix "http:" .Values.publicUrl) -}}
{{- fail "ingress.tlsSecret is set but publicUrl is http: write publicUrl with https, as people will reach it" -}}
{{- end -}}
{{- if and .Values.restore.from .Values.backup.url (hasPrefix "file:" .Values.restore.from) -}}
{{- fail "restore.from is a folder but backups go to an object store: set restore.from to s3://..., or leave backup.url empty" -}}
{{- end -}}
{{- if and .Values.telemetry.otlpEndpoint .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) -}}
{{- fail "telemetry.otlpEndpoint is set but no way leads there: name the collector and its port in networkPolicy.extraEgress" -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "monitoring.serviceMonitor is enabled but nobody is let in: name Prometheus' namespace in networkPolicy.metricsFrom" -}}
{{- end -}}
{{- $own := list "DATABASE_URL" "NATS_URL" "DATABASE_POOL" "GRACE_S" "HOME" "OTLP_ENDPOINT" "PUBLIC_URL" "TRUSTED_PROXIES" "FIRST_ADMINISTRATOR" "FILES_URL" "FILES_OPTIONS" -}}
{{- $settings := dict "settings" .Values.settings -}}
{{- range $name, $component := .Values.components }}{{ $_ := set $settings (printf "components.%s.settings" $name) (default dict $component.settings) }}{{ end -}}
{{- range $path, $entries := $settings -}}
{{- range $name, $_ := $entries -}}
{{- if has $name $own -}}
{{- fail (printf "%s.%s: the chart has a value of its own for that, see its README" $path $name) -}}
{{- end -}}
{{- if regexMatch "(_KEY|_KEYS|_KEY_ID|SECRET|PASSWORD|TOKEN)$" $name -}}
{{- fail (printf "%s.%s would stand in the release for everyone to read: put it into a secret under its whole name, YUNSONG_..., and name the secret in envFrom" $path $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $plugins := list -}}
{{- range .Values.plugins -}}
{{- if eq (not .image) (not .volume) -}}
{{- fail (printf "plugins: %s needs either an image or a volume, and not both" .name) -}}
{{- end -}}
{{- if has .name $plugins -}}
{{- fail (printf "plugins: two are called %s; each name is a folder" .name) -}}
{{- end -}}
{{- $plugins = append $plugins .name -}}
{{- end -}}
{{- range $name, $component := $components -}}
{{- if le (int $component.terminationGracePeriodSeconds) (add 5 (int $component.graceSeconds)) -}}
{{- fail (printf "components.%s: terminationGracePeriodSeconds must be more than graceSeconds and 5 s for the endpoints to follow" $name) -}}
{{- end -}}
{{- if and $component.autoscaling.enabled (gt (int $component.autoscaling.minReplicas) (int $component.autoscaling.maxReplicas)) -}}
{{- fail (printf "components.%s.autoscaling: minReplicas is above maxReplicas" $name) -}}
{{- end -}}
{{- if and $component.autoscaling.enabled (not $component.autoscaling.targetCPUUtilizationPercentage) (not $component.autoscaling.customMetric.enabled) -}}
{{- fail (printf "components.%s.autoscaling has nothing to scale by: set targetCPUUtilizationPercentage or customMetric.enabled" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
