{{/* Each service's own credentials for a job that works on all schemas, and the streams' owner. */}}
{{- define "yunsong.serviceUrls" -}}
{{- $services := keys (fromYaml (include "yunsong.services" .)) | sortAlpha -}}
{{- include "yunsong.serverVariables" (dict "name" "DATABASE_URL" "server" (fromYaml (include "yunsong.database" .)) "services" $services "shared" .Values.postgresql.enabled) | trim }}
{{- end -}}

{{/* The superuser of the chart's own PostgreSQL, who makes database and roles. */}}
{{- define "yunsong.adminUrl" -}}
{{- if .Values.postgresql.enabled }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_DATABASE_ADMIN_URL" "secret" (include "yunsong.databaseSecret" .) "key" "admin-url") }}
{{- end }}
{{- end -}}

{{- define "yunsong.streamsUrl" -}}
{{ include "yunsong.urlVariable" (merge (dict "name" "YUNSONG_NATS_URL" "service" "") (fromYaml (include "yunsong.messaging" .))) }}
{{- end -}}

{{- define "yunsong.migrateEnvironment" -}}
{{ include "yunsong.serviceUrls" . }}
{{- include "yunsong.adminUrl" . }}
{{ include "yunsong.streamsUrl" . }}
{{- end -}}
