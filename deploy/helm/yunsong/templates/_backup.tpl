{{/* What the backup and the restore need: database, streams, files, keys, and where backups are. */}}
{{- define "yunsong.backupEnvironment" -}}
{{- $backup := .Values.backup -}}
{{ include "yunsong.serviceUrls" . }}
{{- include "yunsong.adminUrl" . }}
{{ include "yunsong.streamsUrl" . }}
{{ include "yunsong.releaseKeyVariable" . }}
{{ include "yunsong.encryptionVariables" . }}
{{ include "yunsong.filesVariables" . }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_BACKUP_KEY" "secret" (include "yunsong.backupKeySecret" .) "key" "backup-key") }}
- name: YUNSONG_BACKUP_OPTIONS
  value: {{ toJson $backup.options | quote }}
{{- with $backup.existingSecret }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_BACKUP_ACCESS_KEY_ID" "secret" . "key" "access-key-id") }}
{{ include "yunsong.secretVariable" (dict "name" "YUNSONG_BACKUP_SECRET_ACCESS_KEY" "secret" . "key" "secret-access-key") }}
{{- end }}
{{- end -}}

{{- define "yunsong.backupKeySecret" -}}
{{- default (printf "%s-backup-key" (include "yunsong.fullname" .)) .Values.backup.keySecret -}}
{{- end -}}

{{/* The volumes of both, by folder. */}}
{{- define "yunsong.backupClaims" -}}
{{- $claims := dict -}}
{{- with include "yunsong.filesClaim" . }}{{ $_ := set $claims "/var/lib/yunsong/files" . }}{{ end -}}
{{- with include "yunsong.backupClaim" . }}{{ $_ := set $claims "/backup" . }}{{ end -}}
{{- toYaml $claims -}}
{{- end -}}
