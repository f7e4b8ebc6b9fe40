{{/* What `yunsong secrets` is to make: a JSON list. {random} stands for random letters and digits, {key} for another value. */}}
{{- define "yunsong.secretsPlan" -}}
{{- $root := . -}}
{{- $services := keys (fromYaml (include "yunsong.services" .)) | sortAlpha -}}
{{- $labels := dict "app.kubernetes.io/instance" .Release.Name "app.kubernetes.io/part-of" "yunsong" -}}
{{- $plan := list -}}
{{- if not .Values.keys.existingSecret -}}
{{- $plan = append $plan (dict "name" (include "yunsong.keysSecret" .) "labels" $labels "values" (dict "release-key" "{random}" "encryption-key" "{random}")) -}}
{{- end -}}
{{- if and .Values.firstAdministrator.username (not .Values.firstAdministrator.existingSecret) -}}
{{- $plan = append $plan (dict "name" (include "yunsong.firstSignInSecret" .) "labels" $labels "values" (dict "username" .Values.firstAdministrator.username "password" "{random}")) -}}
{{- end -}}
{{- if and .Values.postgresql.enabled (not .Values.postgresql.existingSecret) -}}
{{- $at := printf "%s:5432" (include "yunsong.ownServer" (dict "root" . "server" "postgresql")) -}}
{{- $values := dict "postgres-password" "{random}" "admin-url" (printf "postgresql://postgres:{postgres-password}@%s/postgres" $at) "password" "{random}" "url" (printf "postgresql://yunsong:{password}@%s/yunsong" $at) -}}
{{- range $services -}}
{{- $_ := set $values (printf "%s-password" .) "{random}" -}}
{{- $_ := set $values (printf "%s-url" .) (printf "postgresql://yunsong_%s:{%s-password}@%s/yunsong" (replace "-" "_" .) . $at) -}}
{{- end -}}
{{- $plan = append $plan (dict "name" (include "yunsong.databaseSecret" .) "labels" $labels "values" $values) -}}
{{- end -}}
{{- if and .Values.nats.enabled (not .Values.nats.existingSecret) -}}
{{- $at := printf "%s:4222" (include "yunsong.ownServer" (dict "root" . "server" "nats")) -}}
{{- $values := dict "yunsong-password" "{random}" "url" (printf "nats://yunsong:{yunsong-password}@%s" $at) -}}
{{- range $services -}}
{{- $_ := set $values (printf "%s-password" .) "{random}" -}}
{{- $_ := set $values (printf "%s-url" .) (printf "nats://%s:{%s-password}@%s" . . $at) -}}
{{- end -}}
{{- $plan = append $plan (dict "name" (include "yunsong.natsSecret" .) "labels" $labels "values" $values) -}}
{{- end -}}
{{- if and (or .Values.backup.enabled .Values.restore.from) (not .Values.backup.keySecret) -}}
{{- $plan = append $plan (dict "name" (include "yunsong.backupKeySecret" .) "labels" $labels "values" (dict "backup-key" "{random}")) -}}
{{- end -}}
{{- toJson $plan -}}
{{- end -}}
