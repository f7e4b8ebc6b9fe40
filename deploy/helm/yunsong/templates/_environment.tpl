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

{{/* How to reach PostgreSQL or NATS: (dict "root" $ "service" "router" | "" "name" "DATABASE_URL" "from" $.Values.database). */}}
{{- define "yunsong.backendVariables" -}}
{{- if and .from.perService .services -}}
{{- range $service := .services }}
{{ include "yunsong.secretVariable" (dict "name" (include "yunsong.variable" (list $service $.name)) "secret" $.from.existingSecret "key" (printf "%s-url" $service)) }}
{{- end }}
{{- end }}
{{- if or (not .from.perService) .shared }}
{{ include "yunsong.secretVariable" (dict "name" (printf "YUNSONG_%s" .name) "secret" .from.existingSecret "key" "url") }}
{{- end }}
{{- end -}}

{{/* The environment of a component: (dict "root" $ "component" "router" "values" {..}). */}}
{{- define "yunsong.environment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $compact := eq .component "standalone" -}}
{{- $all := fromYaml (include "yunsong.services" $root) -}}
{{- $here := ternary (keys $all | sortAlpha) (list .component) $compact -}}
{{- include "yunsong.backendVariables" (dict "name" "DATABASE_URL" "from" $values.database "services" $here "shared" $compact) | trim }}
{{ include "yunsong.backendVariables" (dict "name" "NATS_URL" "from" $values.nats "services" $here "shared" $compact) | trim }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_RELEASE_KEY" "secret" (include "yunsong.keysSecret" $root) "key" "release-key") }}
- name: YUNSONG_DATABASE_POOL
  value: {{ $values.database.pool | quote }}
- name: YUNSONG_GRACE_S
  value: {{ .values.graceSeconds | quote }}
- name: YUNSONG_HOME
  value: /tmp/yunsong
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
- name: YUNSONG_GATEWAY_FILES_URL
  value: {{ default "/var/lib/yunsong/files" $values.files.url | quote }}
- name: YUNSONG_GATEWAY_FILES_OPTIONS
  value: {{ toJson $values.files.options | quote }}
{{- with $values.files.existingSecret }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_GATEWAY_FILES_ACCESS_KEY_ID" "secret" . "key" "access-key-id") }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_GATEWAY_FILES_SECRET_ACCESS_KEY" "secret" . "key" "secret-access-key") }}
{{- end }}
{{- end }}
{{- if has "channel-adapter" $here }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY" "secret" (include "yunsong.keysSecret" $root) "key" "encryption-key") }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_CHANNEL_ADAPTER_PREVIOUS_ENCRYPTION_KEYS" "secret" (include "yunsong.keysSecret" $root) "key" "previous-encryption-keys" "optional" true) }}
{{- end }}
{{- range $name, $value := $values.settings }}
- name: YUNSONG_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $service := $here }}
{{- range $name, $value := (get $values.components $service).settings }}
- name: {{ include "yunsong.variable" (list $service $name) }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}
