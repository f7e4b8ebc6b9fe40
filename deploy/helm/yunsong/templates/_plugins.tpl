{{/* Plugins are folders as `pip install --target` makes them, on Python's path. One that comes as an image is copied out of it. */}}
{{- define "yunsong.pluginContainers" -}}
{{- $root := .root -}}
{{- $images := list -}}
{{- range .plugins }}{{ if .image }}{{ $images = append $images . }}{{ end }}{{ end -}}
{{- if $images -}}
initContainers:
  {{- range $images }}
  - name: plugin-{{ .name }}
    image: {{ .image | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: [cp, -R, {{ printf "%s/." (default "/plugin" .folder) | quote }}, /plugins/{{ .name }}/]
    securityContext:
      {{- include "yunsong.containerSecurityContext" $root | nindent 6 }}
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 128Mi}
    volumeMounts:
      - name: plugin-{{ .name }}
        mountPath: /plugins/{{ .name }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "yunsong.pluginPath" -}}
{{- $folders := list -}}
{{- range . }}{{ $folders = append $folders (printf "/plugins/%s" .name) }}{{ end -}}
{{- join ":" $folders -}}
{{- end -}}
