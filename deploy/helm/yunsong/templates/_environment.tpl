{{/* A variable from a secret: (dict "name" .. "secret" .. "key" .. "optional" true|false). */}}
{{- define "yunsong.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* The variable that names one of a service's settings: (list "channel-adapter" "GRPC_PORT"). */}}
{{- define "yunsong.variable" -}}
YUNSONG_{{ index . 0 | replace "-" "_" | upper }}_{{ index . 1 }}
{{- end -}}

{{/* One URL: from the secret as it stands, or put together of the host and the secret's password. */}}
{{- define "yunsong.urlVariable" -}}
{{- $key := ternary (printf "%s-" .service) "" (ne .service "") -}}
{{- if .host -}}
{{- $password := trimSuffix "_URL" .name | printf "%s_PASSWORD" -}}
{{ include "yunsong.secretVariable" (dict "name" $password "secret" .secret "key" (printf "%spassword" $key)) }}
- name: {{ .name }}
  value: {{ printf "%s://%s:$(%s)@%s%s" .scheme (ternary (printf "%s_%s" .role (.service | replace "-" "_")) .role (ne .service "")) $password .host .path | quote }}
{{- else -}}
{{ include "yunsong.secretVariable" (dict "name" .name "secret" .secret "key" (printf "%surl" $key)) }}
{{- end -}}
{{- end -}}

{{/* How to reach a server: (dict "name" "DATABASE_URL" "server" {..} "services" [..] "shared" true|false). With a role for each service
"shared" adds the one that all together use. */}}
{{- define "yunsong.serverVariables" -}}
{{- $server := .server -}}
{{- $name := .name -}}
{{- if $server.perService }}
{{- range .services }}
{{ include "yunsong.urlVariable" (merge (dict "name" (include "yunsong.variable" (list . $name)) "service" .) $server) }}
{{- end }}
{{- end }}
{{- if or (not $server.perService) .shared }}
{{ include "yunsong.urlVariable" (merge (dict "name" (printf "YUNSONG_%s" $name) "service" "") $server) }}
{{- end }}
{{- end -}}

{{/* PostgreSQL and NATS, as the two above need them. */}}
{{- define "yunsong.database" -}}
{{- $database := .Values.database -}}
secret: {{ include "yunsong.databaseSecret" . }}
perService: {{ or .Values.postgresql.enabled $database.perService }}
scheme: postgresql
role: {{ $database.role | quote }}
host: {{ ternary "" (printf "%s:%v" $database.host $database.port) (empty $database.host) | quote }}
path: {{ printf "/%s%s" $database.name (ternary "" (printf "?sslmode=%s" $database.sslMode) (empty $database.sslMode)) | quote }}
{{- end -}}
{{- define "yunsong.messaging" -}}
{{- $messaging := .Values.messaging -}}
secret: {{ include "yunsong.natsSecret" . }}
perService: {{ or .Values.nats.enabled $messaging.perService }}
scheme: {{ ternary "tls" "nats" $messaging.tls }}
role: {{ $messaging.user | quote }}
host: {{ ternary "" (printf "%s:%v" $messaging.host $messaging.port) (empty $messaging.host) | quote }}
path: ""
{{- end -}}

{{- define "yunsong.filesVariables" -}}
- name: YUNSONG_GATEWAY_FILES_URL
  value: {{ default "/var/lib/yunsong/files" .Values.files.url | quote }}
- name: YUNSONG_GATEWAY_FILES_OPTIONS
  value: {{ toJson .Values.files.options | quote }}
{{- with .Values.files.existingSecret }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_GATEWAY_FILES_ACCESS_KEY_ID" "secret" . "key" "access-key-id") }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_GATEWAY_FILES_SECRET_ACCESS_KEY" "secret" . "key" "secret-access-key") }}
{{- end }}
{{- end -}}

{{- define "yunsong.encryptionVariables" -}}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY" "secret" (include "yunsong.keysSecret" .) "key" "encryption-key") }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_CHANNEL_ADAPTER_PREVIOUS_ENCRYPTION_KEYS" "secret" (include "yunsong.keysSecret" .) "key" "previous-encryption-keys" "optional" true) }}
{{- end -}}

{{- define "yunsong.releaseKeyVariable" -}}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_RELEASE_KEY" "secret" (include "yunsong.keysSecret" .) "key" "release-key") }}
{{- end -}}

{{/* A setting's value as it was written: YAML's numbers come as floating-point ones, and ten million would be 1e+07. */}}
{{- define "yunsong.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The environment of a component: (dict "root" $ "component" "router" "values" {..}). */}}
{{- define "yunsong.environment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $compact := eq .component "standalone" -}}
{{- $all := fromYaml (include "yunsong.services" $root) -}}
{{- $here := ternary (keys $all | sortAlpha) (list .component) $compact -}}
{{- /* One process has one pool, with the role that may do what all may: a service's own URL would become everybody's. */ -}}
{{- include "yunsong.serverVariables" (dict "name" "DATABASE_URL" "server" (fromYaml (include "yunsong.database" $root)) "services" (ternary list $here $compact) "shared" $compact) | trim }}
{{ include "yunsong.serverVariables" (dict "name" "NATS_URL" "server" (fromYaml (include "yunsong.messaging" $root)) "services" $here "shared" $compact) | trim }}
{{ include "yunsong.releaseKeyVariable" $root }}
- name: YUNSONG_DATABASE_POOL
  value: {{ $values.database.pool | quote }}
- name: YUNSONG_GRACE_S
  value: {{ .values.graceSeconds | quote }}
- name: YUNSONG_HOME
  value: /tmp/yunsong
{{- with $values.telemetry.otlpEndpoint }}
- name: YUNSONG_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- range $service, $ports := $all }}
{{- if $compact }}
- name: {{ include "yunsong.variable" (list $service "GRPC_PORT") }}
  value: {{ $ports.grpc | quote }}
{{- else }}
- name: {{ include "yunsong.variable" (list $service "ADDRESS") }}
  value: {{ printf "%s-%s-grpc:%v" (include "yunsong.fullname" $root) $service $ports.grpc | quote }}
{{- end }}
{{- end }}
{{- if has "gateway" $here }}
- name: YUNSONG_GATEWAY_PUBLIC_URL
  value: {{ trimSuffix "/" $values.publicUrl | quote }}
- name: YUNSONG_GATEWAY_TRUSTED_PROXIES
  value: {{ toJson $values.trustedProxies | quote }}
{{- if $values.firstAdministrator.username }}
- name: YUNSONG_GATEWAY_FIRST_ADMINISTRATOR
  value: {{ $values.firstAdministrator.username | quote }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_GATEWAY_FIRST_PASSWORD" "secret" (include "yunsong.firstSignInSecret" $root) "key" "password" "optional" true) }}
{{- end }}
{{ include "yunsong.filesVariables" $root }}
{{- end }}
{{- if has "channel-adapter" $here }}
{{ include "yunsong.encryptionVariables" $root }}
{{- end }}
{{- range $name, $value := $values.settings }}
- name: YUNSONG_{{ $name }}
  value: {{ include "yunsong.text" $value | quote }}
{{- end }}
{{- range $service := $here }}
{{- range $name, $value := (get $values.components $service).settings }}
- name: {{ include "yunsong.variable" (list $service $name) }}
  value: {{ include "yunsong.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}
