{{/* The pod of a job that runs the `yunsong` command: (dict "root" $ "component" "migrate" "args" [..] "env" ".." "resources" {..}). */}}
{{- define "yunsong.jobPod" -}}
metadata:
  labels:
    {{- include "yunsong.labels" . | nindent 4 }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "yunsong.podSecurityContext" .root | nindent 4 }}
  containers:
    - name: {{ .component }}
      image: {{ include "yunsong.image" (dict "root" .root "component" "standalone") | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [yunsong]
      args:
        {{- toYaml .args | nindent 8 }}
      securityContext:
        {{- include "yunsong.containerSecurityContext" .root | nindent 8 }}
      env:
        - name: YUNSONG_HOME
          value: /tmp/yunsong
        {{- .env | nindent 8 }}
      {{- with .root.Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml .root.Values.migrations.resources | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir: {}
{{- end -}}
