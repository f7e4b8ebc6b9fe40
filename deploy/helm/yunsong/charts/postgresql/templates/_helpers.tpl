{{- define "yunsong-postgresql.name" -}}
{{- printf "%s-postgresql" (.Release.Name | trunc 40 | trimSuffix "-") -}}
{{- end -}}

{{- define "yunsong-postgresql.selector" -}}
app.kubernetes.io/name: postgresql
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: postgresql
{{- end -}}

{{- define "yunsong-postgresql.labels" -}}
{{ include "yunsong-postgresql.selector" . }}
app.kubernetes.io/part-of: yunsong
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "yunsong-postgresql.image" -}}
{{- $registry := default .Values.image.registry ((.Values.global).imageRegistry) -}}
{{ $registry }}{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
