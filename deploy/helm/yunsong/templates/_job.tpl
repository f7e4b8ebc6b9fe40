{{/* The pod of a job that runs the `yunsong` command: (dict "root" $ "component" "migrate" "args" [..] "env" ".." "resources" {..}) and,
where it needs them: "serviceAccount" its name, "before" another command's arguments, "claims" {folder: claim}, "beside" the component on whose node it must run. */}}
{{- define "yunsong.jobPod" -}}
metadata:
  labels:
    {{- include "yunsong.selector" . | nindent 4 }}
    app.kubernetes.io/part-of: yunsong
spec:
  restartPolicy: {{ default "Never" .restartPolicy }}
  {{- if .serviceAccount }}
  serviceAccountName: {{ .serviceAccount }}
  {{- end }}
  automountServiceAccountToken: {{ not (empty .serviceAccount) }}
  enableServiceLinks: false
  {{- with include "yunsong.pullSecrets" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "yunsong.podSecurityContext" .root | nindent 4 }}
  {{- if .before }}
  initContainers:
    {{- include "yunsong.jobContainer" (merge (dict "name" "prepare" "args" .before) .) | nindent 4 }}
  {{- end }}
  containers:
    {{- include "yunsong.jobContainer" (merge (dict "name" .component) .) | nindent 4 }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- range $folder, $claim := .claims }}
    - name: {{ base $folder }}
      persistentVolumeClaim:
        claimName: {{ $claim }}
    {{- end }}
  {{- if .beside }}
  affinity:
    # The volume can be mounted on one node alone.
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "yunsong.selector" (dict "root" .root "component" .beside) | nindent 14 }}
  {{- end }}
{{- end -}}

{{- define "yunsong.jobContainer" -}}
- name: {{ .name }}
  image: {{ include "yunsong.image" (dict "root" .root "component" "standalone") | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [yunsong]
  args:
    {{- toYaml .args | nindent 4 }}
  securityContext:
    {{- include "yunsong.containerSecurityContext" .root | nindent 4 }}
  env:
    - name: YUNSONG_HOME
      value: /tmp/yunsong
    {{- with .env }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- with .root.Values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- range $folder, $claim := .claims }}
    - name: {{ base $folder }}
      mountPath: {{ $folder }}
    {{- end }}
{{- end -}}
