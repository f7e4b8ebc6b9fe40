{{- define "yunsong-nats.name" -}}
{{- printf "%s-nats" (.Release.Name | trunc 40 | trimSuffix "-") -}}
{{- end -}}

{{- define "yunsong-nats.selector" -}}
app.kubernetes.io/name: nats
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: nats
{{- end -}}

{{- define "yunsong-nats.labels" -}}
{{ include "yunsong-nats.selector" . }}
app.kubernetes.io/part-of: yunsong
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "yunsong-nats.image" -}}
{{- $registry := default .Values.image.registry ((.Values.global).imageRegistry) -}}
{{ $registry }}{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}

{{/* The variable with a user's password, which the configuration names: "channel-adapter" -> CHANNEL_ADAPTER_PASSWORD. */}}
{{- define "yunsong-nats.variable" -}}
{{ . | replace "-" "_" | upper }}_PASSWORD
{{- end -}}

{{- define "yunsong-nats.configuration" -}}
server_name: yunsong
port: 4222
http: 8222
max_payload: 1048576
write_deadline: "10s"
jetstream {
  store_dir: "/data"
  max_memory_store: {{ .Values.jetstream.maxMemoryStore }}
  max_file_store: {{ .Values.jetstream.maxFileStore }}
}
# A user may publish what is its own: its events, its live messages, its consumers' requests. files/users.json is made from the contract.
authorization {
  users: [
    {user: "yunsong", password: ${{ include "yunsong-nats.variable" "yunsong" }}}
    {{- range $name, $subjects := .Files.Get "files/users.json" | fromJson }}
    {user: "{{ $name }}", password: ${{ include "yunsong-nats.variable" $name }}, permissions: {
      subscribe: {allow: [">"]}
      publish: {allow: {{ toJson $subjects | replace "\\u003e" ">" }}}
    }}
    {{- end }}
  ]
}
{{ end -}}
